/** This core cannot run beside those that are there; the message says what to set. */
export class ReplicaRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ReplicaRefused';
  }
}
