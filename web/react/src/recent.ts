/** A frame as it came, with its number. */
export interface Numbered {
  id: number;
  text: string;
}

const MOST_FRAMES = 500;
const MOST_CHARACTERS = 2 ** 21;

/** The newest numbered frames, for tabs that missed some; bounded. */
export class Recent {
  #frames: Numbered[] = [];
  #characters = 0;

  add(frame: Numbered): void {
    this.#frames.push(frame);
    this.#characters += frame.text.length;
    while (this.#frames.length > MOST_FRAMES || this.#characters > MOST_CHARACTERS) {
      this.#characters -= this.#frames.shift()?.text.length ?? 0;
    }
  }

  /** All frames after a number, or null when not all of them are here. */
  after(id: number): Numbered[] | null {
    const found = this.#frames.filter((frame) => frame.id > id);
    return found[0]?.id === id + 1 ? found : null;
  }

  clear(): void {
    this.#frames = [];
    this.#characters = 0;
  }
}
