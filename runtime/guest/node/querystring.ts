import querystring from 'unenv/node/querystring';

export { querystring as 'module.exports' };
