import recordings from '../features/recordings/zh.json';
import signIn from '../features/sign-in/zh.json';
import transcript from '../features/transcript/zh.json';
import uploads from '../features/uploads/zh.json';
import workers from '../features/workers/zh.json';
import shell from '../shell/zh.json';
import ui from '../ui/zh.json';

export default { recordings, signIn, transcript, uploads, workers, shell, ui };
