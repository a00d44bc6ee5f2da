/**
 * Sends bytes as they are, which no client library would, and answers what came until the server closed the connection.
 *
 * @param url of the server; the request says `Connection: close` itself
 */
export async function rawRequest(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const answer = Promise.withResolvers<string>();
  let text = '';
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_socket, data) {
        text += data.toString('latin1');
      },
      close: () => answer.resolve(text),
      error: (_socket, error) => answer.reject(error),
    },
  });
  socket.write(request);
  return answer.promise;
}
