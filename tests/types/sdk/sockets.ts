import { connect, type Socket } from 'cloudflare:sockets';
import { expectType, type Same } from './equal.ts';

expectType<Same<typeof connect, typeof streamspace.connect>>(true);

const socket: Socket = connect('mail.example.com:465', { secureTransport: 'on' });
const writer = socket.writable.getWriter();
await writer.write('EHLO example.com\r\n');
// @ts-expect-error a number is no bytes
await writer.write(5);
const secure: Socket = socket.startTls();
await Promise.all([secure.opened, secure.close()]);
