const WINDOW_MS = 15_000;
const SAMPLE_MS = 250;
const LEAST_MS = 1_500;

/** Measures how fast something goes, over the last quarter of a minute. */
export class Pace {
  private samples: { at: number; done: number }[] = [];

  /** Note how much is done; return whether it is worth showing, which it is four times a second. */
  note(done: number, at: number): boolean {
    const last = this.samples.at(-1);
    if (last && at - last.at < SAMPLE_MS) return false;
    // Less than before: it went back to what really had come.
    if (last && done < last.done) this.samples = [];
    this.samples.push({ at, done });
    while (this.samples[0] && at - this.samples[0].at > WINDOW_MS) this.samples.shift();
    return true;
  }

  /** Return how many seconds the rest will take; null until it has been measured. */
  secondsFor(rest: number): number | null {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last.at - first.at < LEAST_MS || last.done <= first.done) return null;
    return (rest * (last.at - first.at)) / (last.done - first.done) / 1000;
  }
}
