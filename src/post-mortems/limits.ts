/** Limits of the post-mortems: data, with the reason beside each number. */
export interface PostMortemLimits {
  /** Records kept of one plugin: ten quarantines' worth; what came before looks the same. */
  readonly kept: number;
  /** Days that one is kept: longer than whoever looks into it is away. */
  readonly days: number;
  /** Things under way that are named: more than that differ in number only. */
  readonly underWay: number;
  /** Characters of a handler's or call's name: a path with its parameters. */
  readonly nameChars: number;
  /** Characters of `detail`: an error's message. */
  readonly detailChars: number;
  /** Characters of a stack: what an isolate hands over of one. */
  readonly stackChars: number;
}

export const POST_MORTEM_LIMITS: PostMortemLimits = {
  kept: 50,
  days: 30,
  underWay: 50,
  nameChars: 300,
  detailChars: 4_096,
  stackChars: 16_384,
};
