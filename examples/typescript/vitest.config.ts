import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const built = (name: string) => fileURLToPath(new URL(`dist/${name}.js`, import.meta.url));

export default defineConfig({
  // the examples use what `npm run build` made, by the names that everyone uses
  resolve: { alias: { "chaincast-client/react": built("react"), "chaincast-client": built("index") } },
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    // each file starts services of its own; some wait for restarts, none for a fixed time
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
