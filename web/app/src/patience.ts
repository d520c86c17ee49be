import { configure } from '@testing-library/react';

// Tests wait for what comes, however slow the machine is that they run on; one second is too little for a busy one.
configure({ asyncUtilTimeout: 20_000 });
