import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { compression } from 'vite-plugin-compression2';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const gateway = process.env.LINGOLOOP_URL ?? 'http://127.0.0.1:3002';

export default defineConfig({
  // Compressed once, here: the gateway picks the sibling that the browser takes.
  plugins: [react(), compression({ algorithms: ['brotliCompress', 'gzip'], exclude: /\.html$/ })],
  resolve: { alias: { '@lingoloop/react': here('../react/src/index.ts') } },
  build: {
    outDir: here('../../services/gateway/lingoloop_gateway/static/app'),
    emptyOutDir: true,
    // The policy allows no `data:` scripts or styles; small files stay files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': gateway, '/v1': gateway } },
});
