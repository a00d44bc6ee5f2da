import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chromium } from 'playwright-core';
import { ERRORS } from '../../sandbox-apis/_kit/errors.ts';
import { startApp, type TestApp } from '../kit/app.ts';

interface Operation {
  summary?: string;
  tags?: string[];
  operationId: string;
  security?: object[];
  requestBody?: { content: Record<string, { schema: object }> };
  parameters?: { name: string; in: string }[];
  responses: Record<string, unknown>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: { Problem: { properties: { code: { enum: string[] } } } } };
}

let app: TestApp;
let document: Document;
const pluginPaths: Record<string, object> = {};
beforeAll(async () => {
  app = await startApp({ deps: { pluginPaths: () => pluginPaths } });
  document = (await app.call('GET', '/api/openapi.json')).body;
});
afterAll(() => app.stop());

describe('the OpenAPI document', () => {
  test('has every core route with what a reader needs', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).sort()).toEqual([
      '/api/auth/login',
      '/api/auth/logout',
      '/api/auth/me',
      '/api/auth/password',
      '/api/auth/tokens',
      '/api/auth/tokens/{id}',
      '/api/users',
      '/api/users/{id}',
      '/healthz',
      '/metrics',
      '/readyz',
    ]);
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    for (const operation of operations) {
      expect(operation.summary).toBeString();
      expect(operation.tags).toHaveLength(1);
      expect(operation.responses.default).toEqual({ $ref: '#/components/responses/Problem' });
      expect(Object.keys(operation.responses).length).toBeGreaterThan(1);
    }
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  });

  test('says who may call, with what', () => {
    const create = document.paths['/api/users']?.post;
    expect(create?.security).toEqual([{ bearer: [] }, { session: [] }]);
    expect(Object.keys(create?.requestBody?.content ?? {})).toEqual(['application/json']);
    expect(create?.responses['201']).toBeDefined();
    expect(document.paths['/api/auth/login']?.post?.security).toBeUndefined();
    const names = document.paths['/api/users']?.get?.parameters?.map(({ name }) => name);
    expect(names).toEqual(['page', 'limit', 'search']);
  });

  test('lists every error code', () => {
    expect(document.components.schemas.Problem.properties.code.enum).toEqual(Object.keys(ERRORS));
  });

  test('shows plugin endpoints while they are there, and none over a core route', async () => {
    const hello = { get: { operationId: 'hello', responses: { 200: { description: 'Hello' } } } };
    pluginPaths['/api/plugins/greeter/hello'] = hello;
    pluginPaths['/api/users'] = hello;
    const paths = async (): Promise<Document['paths']> => (await app.call('GET', '/api/openapi.json')).body.paths;
    expect((await paths())['/api/plugins/greeter/hello']).toMatchObject(hello);
    expect((await paths())['/api/users']?.get?.operationId).toBe('getApiUsers');
    delete pluginPaths['/api/plugins/greeter/hello'];
    expect(Object.keys(await paths())).not.toContain('/api/plugins/greeter/hello');
  });
});

describe('the pages', () => {
  test('come from here only, under a policy that allows nothing else', async () => {
    for (const path of ['/api/docs', '/api/docs/errors']) {
      const { status, headers, body } = await app.call('GET', path);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(headers.get('content-security-policy')).toContain("script-src 'self';");
      expect(body).not.toMatch(/https?:\/\//);
      for (const [, asset] of body.matchAll(/(?:href|src)="(\/[^"]+)"/g)) {
        const response = await fetch(app.url + asset);
        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toMatch(/^text\/(css|javascript)/);
      }
    }
  });

  const browser = Bun.which('chromium');
  test.skipIf(browser === null)(
    'show the operations in a browser, with nothing blocked or asked of others',
    async () => {
      const chrome = await chromium.launch({ executablePath: browser ?? '', args: ['--no-sandbox'] });
      try {
        const page = await chrome.newPage();
        const complaints: string[] = [];
        const asked = new Set<string>();
        page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
        page.on('pageerror', (error) => complaints.push(error.message));
        page.on('request', (request) =>
          asked.add(new URL(request.url()).protocol === 'data:' ? app.url : new URL(request.url()).origin),
        );
        await page.goto(`${app.url}/api/docs`);
        await page.getByText('Sign in with email and password').waitFor();
        expect([...asked]).toEqual([app.url]);
        expect(complaints).toEqual([]);
      } finally {
        await chrome.close();
      }
    },
  );
});
