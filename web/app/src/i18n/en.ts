import recordings from '../features/recordings/en.json';
import signIn from '../features/sign-in/en.json';
import transcript from '../features/transcript/en.json';
import uploads from '../features/uploads/en.json';
import workers from '../features/workers/en.json';
import shell from '../shell/en.json';
import ui from '../ui/en.json';

export default { recordings, signIn, transcript, uploads, workers, shell, ui };
