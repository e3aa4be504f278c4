/** What goes wrong, for tests: asked before each call that changes something. */
export class Switches {
  /** Throws what the call is to fail with; returns, or waits and returns, for it to go on. */
  onCall: (call: string, id: string) => void | Promise<void> = () => {};

  async meet(call: string, id: string): Promise<void> {
    await this.onCall(call, id);
  }
}
