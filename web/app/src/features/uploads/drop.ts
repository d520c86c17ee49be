import { useEffect, useEffectEvent, useState } from 'react';

export type Dropped = { files: File[]; folders: number };

/** Take files that are dropped anywhere on the page; return whether some are being dragged over it. */
export function useDrop(onDrop: (dropped: Dropped) => void): boolean {
  const [dragging, setDragging] = useState(false);
  const take = useEffectEvent(onDrop);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'copy';
      setDragging(true);
    };
    const leave = (event: DragEvent) => {
      if (!event.relatedTarget) setDragging(false); // it has left the window, not one element for another
    };
    const drop = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      setDragging(false);
      take(droppedIn(event.dataTransfer));
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
  return dragging;
}

/** Return the files of a drop; a folder is among them as something that cannot be read. */
export function droppedIn({ items }: Pick<DataTransfer, 'items'>): Dropped {
  const given = [...items].filter(({ kind }) => kind === 'file');
  const plain = given.filter((item) => !item.webkitGetAsEntry?.()?.isDirectory);
  const files = plain.map((item) => item.getAsFile()).filter((file) => file !== null);
  return { files, folders: given.length - plain.length };
}
