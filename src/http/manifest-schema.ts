import { Elysia } from 'elysia';
import { manifestJsonSchema } from '../packages/manifest.ts';

/** `GET /api/schemas/manifest.json`: what editors check a manifest by (its `$schema`). */
export function schemaRoutes(permissionPatterns: readonly string[]) {
  const schema = manifestJsonSchema(permissionPatterns);
  return new Elysia({ normalize: false }).get('/api/schemas/manifest.json', () => schema, {
    detail: { summary: 'JSON Schema of manifest.json', tags: ['plugins'] },
  });
}
