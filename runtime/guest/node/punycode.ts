import punycode from 'punycode/punycode.js';

export { punycode as 'module.exports' };
