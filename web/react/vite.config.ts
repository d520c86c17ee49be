import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    lib: {
      entry: {
        index: 'src/index.ts',
        'components/TranscriptionStatus': 'src/components/TranscriptionStatus.tsx',
        'contexts/EventContext': 'src/contexts/EventContext.tsx',
      },
      formats: ['es'],
    },
    rolldownOptions: { external: ['react', 'react/jsx-runtime'] },
    minify: false,
  },
});
