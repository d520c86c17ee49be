import { join } from 'node:path';
import { defineConfig } from 'vite';

const built = process.env.PIECES ?? '';

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@lingoloop\/react$/, replacement: join(built, 'index.js') },
      {
        find: /^@lingoloop\/react\/style.css$/,
        replacement: join(import.meta.dirname, '../../react/src/style.css'),
      },
    ],
    dedupe: ['react', 'react-dom'],
  },
});
