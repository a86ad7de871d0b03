export const mountStream = () => ({ take() {}, shown() {}, hash: () => "stream", toggle() {}, resume() {}, pause() {}, search() {}, step() {}, clear() {} });
