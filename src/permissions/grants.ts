import type { PermissionKind, RoomContract } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Manifest } from '../packages/manifest.ts';
import { normalisePermission, PLATFORM_PERMISSIONS } from '../packages/permissions.ts';

/** What an admin is asked: a permission and the sentence that says what it allows. */
export interface PermissionText {
  readonly permission: string;
  readonly description: string;
}

/** All permissions that exist: of the rooms, and of SPEC 3's capabilities whose rooms are still to come. */
export class PermissionCatalog {
  readonly patterns: readonly string[];
  readonly #kinds: readonly { readonly test: RegExp; readonly kind: PermissionKind }[];

  constructor(contracts: readonly RoomContract[]) {
    const kinds = [...contracts.flatMap((contract) => contract.permissions), ...PLATFORM_PERMISSIONS];
    this.#kinds = kinds.map((kind) => ({ test: new RegExp(`^(?:${kind.pattern})$`), kind }));
    this.patterns = kinds.map((kind) => kind.pattern);
  }

  knows(permission: string): boolean {
    return this.#kinds.some(({ test }) => test.test(permission));
  }

  describe(permission: string): PermissionText {
    const found = this.#kinds.find(({ test }) => test.test(permission));
    return { permission, description: found?.kind.describe(permission) ?? permission };
  }

  /**
   * What a plugin gets when an admin says so. `'all'` is everything that the manifest names; a list may also hold what the
   * manifest does not name (a host that only this installation has); null is what was granted before.
   *
   * @throws CodedError `consent_required` with the permissions that are asked for and not granted, `validation_failed`
   *   for a grant that is no permission
   */
  resolve(manifest: Manifest, wanted: 'all' | readonly string[] | null, before: readonly string[]): string[] {
    const asked = manifest.permissions;
    const optional = manifest.optionalPermissions;
    const granted = wanted === 'all' ? [...asked, ...optional] : (wanted ?? before).map(normalisePermission);
    const unknown = granted.filter((permission) => !this.knows(permission));
    if (unknown.length > 0) {
      throw new CodedError('validation_failed', `"${unknown[0]}" is not a permission`, {
        errors: unknown.map((permission) => ({ pointer: '/grants', message: `"${permission}" is not a permission` })),
      });
    }
    const missing = asked.filter((permission) => !granted.includes(permission));
    if (missing.length > 0) {
      throw new CodedError('consent_required', `The plugin asks for ${missing.join(', ')}`, {
        permissions: missing.map((permission) => this.describe(permission)),
        optionalPermissions: optional.map((permission) => this.describe(permission)),
      });
    }
    return [...new Set(granted)].sort();
  }
}
