import { type Static, Type } from '@sinclair/typebox';
import { AGENT_LIMITS, AGENT_NAME } from '../../runtime/protocol/agent.ts';
import { decoder } from './decode.ts';

// What an agent says, as the core takes it: it lives beside hostile code, and may be it.

const text = (maxLength: number) => Type.String({ maxLength });
const only = { additionalProperties: false } as const;
const Hello = Type.Object(
  { is: Type.Literal('hello'), seccomp: Type.Boolean(), files: Type.Boolean(), problem: text(300) },
  only,
);
const Message = Type.Union([
  Hello,
  Type.Object({ is: Type.Literal('attach'), token: Type.RegExp(AGENT_NAME) }, only),
  Type.Object({ is: Type.Literal('started'), pid: Type.Integer({ minimum: 1, maximum: 2 ** 31 }) }, only),
  Type.Object({ is: Type.Literal('memory'), bytes: Type.Integer({ minimum: 0 }) }, only),
  Type.Object({ is: Type.Literal('output'), text: text(AGENT_LIMITS.outputChars) }, only),
  Type.Object({ is: Type.Literal('exit'), code: Type.Integer({ minimum: 0, maximum: 255 }) }, only),
  Type.Object({ is: Type.Literal('failed'), message: text(1_000) }, only),
]);

export type AgentAnswer = Static<typeof Message>;
export const decodeAgentMessage = decoder(Message);
