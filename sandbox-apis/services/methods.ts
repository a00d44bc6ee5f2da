/** Names of the methods of each service, for the guest; `kinds.ts` says the rest. */
export const SERVICE_METHODS = { 'storage-backend': ['put', 'get', 'stat', 'delete'] } as const;
