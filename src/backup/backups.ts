import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { audit } from '../permissions/audit.ts';
import { ArchiveWriter } from './archive-writer.ts';
import { type WriteDeps, type WriteRequest, writeBackup } from './write.ts';

/** Lets one backup or restore go on at a time. */
export class BackupTurn {
  #taken = false;

  /** @returns what gives it back; calling it again does nothing. @throws CodedError `backup_busy` */
  take(): () => void {
    if (this.#taken) throw new CodedError('backup_busy');
    this.#taken = true;
    let given = false;
    return () => {
      if (!given) this.#taken = false;
      given = true;
    };
  }
}

export interface BackupsDeps extends WriteDeps {
  readonly turn: BackupTurn;
}

/**
 * Begins a backup; it goes on as the stream is read. What fails later is the last entry of the archive, in the place of
 * its end.
 *
 * @param userId who asks, for the audit log
 * @throws CodedError `backup_busy`
 */
export async function startBackup(
  deps: BackupsDeps,
  request: WriteRequest,
  userId: string,
): Promise<ReadableStream<Uint8Array>> {
  const { db, log, turn } = deps;
  const done = turn.take();
  try {
    const detail = { plugin: request.plugin, without: request.without };
    await audit(db, { actorKind: 'user', actor: userId, action: 'backup.started', target: request.plugin, detail });
  } catch (error) {
    done();
    throw error;
  }
  const archive = new ArchiveWriter();
  const chunks = archive.stream();
  const begun = performance.now();
  const work = async (): Promise<void> => {
    try {
      await writeBackup(deps, request, archive);
      log.info({ ...request, ms: Math.round(performance.now() - begun) }, 'made a backup');
    } catch (error) {
      log.error({ err: error, ...request }, 'a backup failed');
      await archive.fail(error).catch((lost: unknown) => log.debug({ err: lost }, 'nobody reads the backup'));
    } finally {
      done();
    }
  };
  const working = work();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done: ended, value } = await chunks.next();
        if (!ended) {
          controller.enqueue(value);
          return;
        }
        // Whoever has read it to its end may begin the next.
        await working;
        controller.close();
      },
      async cancel() {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
