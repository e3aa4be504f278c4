import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A file system of its own, made in a file for a test. */
export interface Volume {
  readonly directory: string;
  usedBytes(): Promise<number>;
  remove(): Promise<void>;
}

const MAKERS = {
  xfs: { program: "mkfs.xfs", args: ["-q", "-m", "reflink=1"], packages: "xfsprogs" },
  btrfs: { program: "mkfs.btrfs", args: ["-q"], packages: "btrfs-progs" },
} as const;

export type SharingFileSystem = keyof typeof MAKERS;

/**
 * What keeps this machine from having such a volume, or undefined. Mounting takes root, loop devices and a kernel that
 * knows the file system; as root the package that makes one is installed.
 */
export function missingForVolume(kind: SharingFileSystem): string | undefined {
  const { program, packages } = MAKERS[kind];
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "mounting a file system takes root on Linux";
  if (!existsSync("/dev/loop-control")) return "there is no /dev/loop-control: a container needs loop devices";
  const run = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: "ignore" }).status === 0;
  if (!run(program, "-V") && !(run("apt-get", "update") && run("apt-get", "install", "-y", packages))) {
    return `${program} is not there: install ${packages}`;
  }
  const volume = spawnSync("modprobe", [kind], { stdio: "ignore" }).status === 0 || knowsFileSystem(kind);
  return volume ? undefined : `the kernel has no ${kind}`;
}

const knowsFileSystem = (kind: string) => spawnSync("grep", ["-qw", kind, "/proc/filesystems"]).status === 0;

export async function makeVolume(kind: SharingFileSystem, bytes: number): Promise<Volume> {
  const folder = await mkdtemp(join(tmpdir(), `volume-${kind}-`));
  const [image, directory] = [join(folder, "image"), join(folder, "mounted")];
  const { program, args } = MAKERS[kind];
  try {
    const file = await open(image, "w");
    await file.truncate(bytes);
    await file.close();
    await mkdir(directory);
    must(program, ...args, image);
    must("mount", "-o", "loop", image, directory);
    must("chmod", "755", folder, directory);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    directory,
    async usedBytes() {
      must("sync", "-f", directory);
      // XFS keeps 128 KB for each shared block that is written to, for the writes that may follow, and takes back what
      // was not needed after five minutes, or when room gets scarce.
      if (kind === "xfs") must("xfs_spaceman", "-c", "prealloc -s", directory);
      const { blocks, bfree, bsize } = await statfs(directory);
      return (blocks - bfree) * bsize;
    },
    async remove() {
      must("umount", directory);
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * What files below a folder share with no other file, as the file system tells it (FIEMAP): what removing them would give
 * back. Of a branch that is just made, that is what was made for it, and the old blocks of what its parent has rewritten since.
 */
export async function unsharedBytes(folder: string): Promise<number> {
  const args = [folder, "-type", "f", "-size", "+0", "-exec", "filefrag", "-b1", "-v", "{}", "+"];
  const { stdout } = await promisify(execFile)("find", args, { maxBuffer: 2 ** 30 });
  let bytes = 0;
  for (const line of stdout.split("\n")) {
    // Number, places in the file, places on the disk, length, where it was expected, flags.
    const [, length, flags = ""] = /^ +\d+:[^:]+:[^:]+: +(\d+):(.*)$/.exec(line) ?? [];
    if (length !== undefined && !flags.includes("shared")) bytes += Number(length);
  }
  return bytes;
}

function must(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
}
