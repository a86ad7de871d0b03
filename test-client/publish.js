export const mountPublish = () => ({ send() {} });
