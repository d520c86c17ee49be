import { render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { Boundary } from './Boundary';

function Broken(): never {
  throw new Error('its file is gone');
}

it('says so in the place of a page that cannot be shown, and leaves the rest', () => {
  vi.spyOn(console, 'error').mockReturnValue();
  render(
    <>
      <p>the rest</p>
      <Boundary>
        <Broken />
      </Boundary>
    </>,
  );
  expect(screen.getByRole('alert').textContent).toContain('faults.page');
  expect(screen.getByText('the rest')).toBeTruthy();
});
