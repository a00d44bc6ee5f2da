import { expect, test } from 'bun:test';
import { createLog } from '../../src/log.ts';
import { withRequestId } from '../../src/telemetry/request-id.ts';
import { currentScope, outsideScopes, runInScope } from '../../src/telemetry/scope.ts';

function lines() {
  const written: Record<string, unknown>[] = [];
  return { written, log: createLog('info', { write: (line) => written.push(JSON.parse(line)) }) };
}

const request = (headers: Record<string, string> = {}) => new Request('http://core/api/users', { headers });

test('lines of a request carry its id over awaits, and the answer does', async () => {
  const { written, log } = lines();
  const answer = await withRequestId(request(), async () => {
    await Bun.sleep(0);
    log.info('inside');
    return new Response('ok');
  });
  log.info('outside');
  const id = answer.headers.get('x-request-id');
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(written.map(({ msg, request_id }) => [msg, request_id])).toEqual([
    ['inside', id],
    ['outside', undefined],
  ]);
});

test('the id of a proxy in front is kept, when it is harmless', async () => {
  const answer = await withRequestId(request({ 'x-request-id': 'edge-17' }), () => new Response());
  expect(answer.headers.get('x-request-id')).toBe('edge-17');
  const odd = await withRequestId(request({ 'x-request-id': '{"a": "b c"}' }), () => new Response());
  expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
});

test('an answer that has an id keeps it', async () => {
  const own = new Response(null, { headers: { 'x-request-id': 'own' } });
  expect((await withRequestId(request(), () => own)).headers.get('x-request-id')).toBe('own');
});

test('what outlives a request belongs to it no more', async () => {
  const late = Promise.withResolvers<unknown>();
  const go = Promise.withResolvers<void>();
  await runInScope('one', null, () => {
    void go.promise.then(() => late.resolve(currentScope()));
    expect(currentScope()?.requestId).toBe('one');
    expect(outsideScopes(currentScope)).toBeUndefined();
  });
  go.resolve();
  expect(await late.promise).toBeUndefined();
});
