import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/client';

export type Engine = Schemas['Engine'];
export type Engines = Schemas['EngineList'];
export type Ability = Schemas['Ability'];

/** Return the engines that there are; undefined while, or where, the server does not tell. */
export function useEngines(): Engines | undefined {
  return useQuery({ queryKey: ['engines'], queryFn: fetchEngines, staleTime: 60_000 }).data;
}

async function fetchEngines(): Promise<Engines> {
  return body(await api.GET('/api/engines'));
}

/** Return the engine that a recording goes to: the one of the lane that was chosen, else the server's own. */
export function engineOf(engines: Engines | undefined, lane: string): Engine | undefined {
  if (!engines) return undefined;
  const chosen = engines.items.find((item) => item.lane === lane);
  const { engine, model } = engines.default;
  return chosen ?? engines.items.find((item) => item.engine === engine && item.model === model);
}

/** Return an engine's name as people see it. */
export function engineName({ engine, model }: Schemas['EngineChoice']): string {
  return model ? `${engine} · ${model}` : engine;
}
