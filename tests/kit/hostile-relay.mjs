// The "Node" of a hostile host: carries bytes between descriptor 3 and the test, which is the one that lies.
import { connect, Socket } from 'node:net';

const core = new Socket({ fd: 3, readable: true, writable: true });
const test = connect(process.argv[2]);
const end = () => process.exit(0);
core.on('close', end).on('error', end).pipe(test);
test.on('close', end).on('error', end).pipe(core);
