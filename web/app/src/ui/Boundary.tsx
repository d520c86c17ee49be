import { Component, type ReactNode } from 'react';
import { Fault } from './Fault';

type Props = { children: ReactNode };
type State = { error: Error | null };

/** Says so where a page cannot be shown, and leaves what is around it: its file may be gone, since the server has a newer one. */
export class Boundary extends Component<Props, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    return error ? <Fault error={error} /> : this.props.children;
  }
}
