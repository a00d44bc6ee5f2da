import url from 'unenv/node/url';

export { url as 'module.exports' };
