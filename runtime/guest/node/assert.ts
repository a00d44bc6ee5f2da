import assert from 'assert/build/assert.js';

export { assert as 'module.exports' };
