/** Apart, because its tables take milliseconds to make. */
export { inflateSync } from 'fflate';
