import type { GlobalFrame, RunFrame, Trouble } from '@lingoloop/react';

/** What a test gives a tab, and what the tab has seen. */
export interface Tab {
  token: string;
  runId: string;
  frames: RunFrame[];
  /** The words that were there after each `init`, by index. */
  fetched: number[];
  global: GlobalFrame[];
  troubles: Trouble[];
  completed: boolean[];
  statuses: string[];
  connections: [string, string][];
}

declare global {
  interface Window {
    tab: Tab;
  }
}
