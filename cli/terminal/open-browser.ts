import { spawn } from "node:child_process";

/** Opens an address in the person's browser where there is one. Nobody waits for it, and nothing is lost if it fails. */
export function openBrowser(url: string, environment: NodeJS.ProcessEnv): void {
  const [program, ...args] = openerOf(environment);
  if (program === undefined) return;
  const child = spawn(program, [...args, url], { stdio: "ignore", detached: true });
  child.once("error", () => {});
  child.unref();
}

function openerOf(environment: NodeJS.ProcessEnv): readonly string[] {
  if (environment.BROWSER) return [environment.BROWSER];
  if (process.platform === "darwin") return ["open"];
  // Without a shell, which would read the ampersands of the address.
  if (process.platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"];
  return environment.DISPLAY || environment.WAYLAND_DISPLAY ? ["xdg-open"] : [];
}
