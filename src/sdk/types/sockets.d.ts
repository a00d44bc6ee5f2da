declare module 'cloudflare:sockets' {
  import type { ConnectApi, Socket, SocketAddress, SocketInfo, SocketOptions } from '@streamspace/sdk';

  /** The same as `streamspace.connect`. */
  export const connect: ConnectApi;
  export type { Socket, SocketAddress, SocketInfo, SocketOptions };
}
