import type { ReactNode } from 'react';

type Props = { token: () => Promise<string>; children: ReactNode };

export function EventProvider({ children }: Props) {
  return children;
}
