import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { name: 'screenshots', include: ['screenshots.ts'], testTimeout: 600_000, hookTimeout: 120_000 },
});
