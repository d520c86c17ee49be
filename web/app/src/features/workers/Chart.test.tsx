import { expect, it } from 'vitest';
import { drawn } from './Chart';

it('draws the highest bar as high as the chart, a zero as a line, and nothing for what is not known', () => {
  expect(drawn([4, null, 0, 2], 4)).toBe('M0 40v-40h1v40.00zM2 40v-0.6h1v0.60zM3 40v-20h1v20.00z');
  expect(drawn([0], 0)).toBe('M0 40v-0.6h1v0.60z');
  expect(drawn([null], 0)).toBe('');
});
