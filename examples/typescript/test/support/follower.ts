// A subscription to `numbers`, and all that it said.

import { EventSource } from "eventsource";
import {
  subscribe,
  type ChaincastError,
  type Gap,
  type State,
  type SubscribeOptions,
  type Subscription,
  type Tuning,
} from "../../src/index.js";
import { eventually } from "./service.js";

export type Numbers = { "test.numbered": { n: number } };

/** Tests must not wait as long as people may. */
export const FAST: Partial<Tuning> = {
  backoffMinMs: 50,
  backoffMaxMs: 300,
  pollEveryMs: 50,
  streamAgainMs: 500,
  openTimeoutMs: 5000,
  persistEveryMs: 20,
};

export class Follower {
  readonly numbers: number[] = [];
  readonly states: State[] = [];
  readonly errors: ChaincastError[] = [];
  readonly gaps: Gap[] = [];
  lives = 0;
  reconnects = 0;
  readonly subscription: Subscription<Numbers>;

  constructor(url: string, options: SubscribeOptions<Numbers> = {}) {
    this.subscription = subscribe<Numbers>({
      url,
      streams: ["numbers"],
      EventSource,
      onEvent: (event) => void this.numbers.push(event.data.n),
      onStateChange: (state) => this.states.push(state),
      onError: (error) => this.errors.push(error),
      onGap: (gap) => void this.gaps.push(gap),
      onLive: () => void this.lives++,
      onReconnect: () => void this.reconnects++,
      ...options,
      tuning: { ...FAST, ...options.tuning },
    });
  }

  async received(count: number): Promise<void> {
    await eventually(`${count} numbers, of which there are ${this.numbers.length}`, () => this.numbers.length >= count);
  }

  async live(times = 1): Promise<void> {
    await eventually(`onLive for the ${times}th time; ${this.states.join()}; ${this.errors.join()}`, () => this.lives >= times);
  }
}
