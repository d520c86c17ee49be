import { EventProvider } from '@lingoloop/react';
import { lazy, Suspense } from 'react';
import { Route, Switch, useLocation, useRoute } from 'wouter';
import { RecordingsPage } from './features/recordings/RecordingsPage';
import { SignInPage } from './features/sign-in/SignInPage';
import { UploadsProvider } from './features/uploads/UploadsProvider';
import { freshToken, useSession } from './session/session';
import { NotFound } from './shell/NotFound';
import { Shell } from './shell/Shell';
import { Boundary } from './ui/Boundary';

const TranscriptPage = lazy(() => import('./features/transcript/TranscriptPage'));
const WorkersPage = lazy(() => import('./features/workers/WorkersPage'));

/** Shows the page that the address names; who is not signed in sees the sign-in first. */
export function App() {
  const session = useSession();
  const [arriving] = useRoute('/sign-in');
  const [path] = useLocation();
  if (!session || arriving) {
    return (
      <Shell>
        <SignInPage />
      </Shell>
    );
  }
  return (
    // Another owner is another page: nothing of the one before is left.
    <EventProvider key={session.owner} token={freshToken}>
      <UploadsProvider>
        <Shell>
          <Boundary key={path}>
            <Suspense>
              <Switch>
                <Route path="/" component={RecordingsPage} />
                <Route path="/runs/:runId">
                  {({ runId }) => <TranscriptPage key={runId} runId={runId} />}
                </Route>
                <Route path="/workers" component={WorkersPage} />
                <Route component={NotFound} />
              </Switch>
            </Suspense>
          </Boundary>
        </Shell>
      </UploadsProvider>
    </EventProvider>
  );
}
