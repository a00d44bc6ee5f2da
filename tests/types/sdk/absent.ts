// What a plugin does not have, although the compiler would know it of a browser, Node or Bun: `tsc` fails where an
// expected error is missing.

// @ts-expect-error browsers
void document;
// @ts-expect-error browsers
void window;
// @ts-expect-error browsers
void localStorage;
// @ts-expect-error browsers
void indexedDB;
// @ts-expect-error browsers
void caches;
// @ts-expect-error browsers
void location;
// @ts-expect-error browsers
void new XMLHttpRequest();
// @ts-expect-error browsers
void new Worker('worker.js');
// @ts-expect-error browsers
void new BroadcastChannel('news');
// @ts-expect-error browsers
void requestAnimationFrame(() => undefined);
// @ts-expect-error browsers
void alert('hello');
// @ts-expect-error browsers: not even as a type
export type Element = HTMLElement;
// @ts-expect-error workers of browsers
importScripts('more.js');
// @ts-expect-error workers of browsers
postMessage('hello');
// @ts-expect-error the guest is told nothing else of its host
void navigator.hardwareConcurrency;
// @ts-expect-error there is no timeline
performance.mark('start');

// @ts-expect-error Node
void process;
// @ts-expect-error Node
void Buffer;
// @ts-expect-error Node
void require('node:fs');
// @ts-expect-error Node
void module;
// @ts-expect-error Node
void __dirname;
// @ts-expect-error Node
void global;
// @ts-expect-error Node
setImmediate(() => undefined);
// @ts-expect-error Node: a timer is a number here
setTimeout(() => undefined, 1).unref();
// @ts-expect-error Node, and of no use in an isolate
import('node:fs');
// @ts-expect-error Node
import('node:child_process');
// @ts-expect-error Node
import('node:net');

// @ts-expect-error Bun
void Bun;
// @ts-expect-error Bun
import('bun:sqlite');
// @ts-expect-error Deno
void Deno;

// @ts-expect-error inside the core, not for plugins
void streamspace.host;
