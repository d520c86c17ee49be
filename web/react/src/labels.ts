import type { RunFrame, RunState, Trouble } from './frames';

/** What `TranscriptionStatus` says, in one language. */
export interface Labels {
  lang: string;
  loading: string;
  status(run: RunFrame): string;
  progress: string;
  timeLeft(seconds: number): string;
  place(place: number): string;
  chunks(run: RunState): string;
  trouble(trouble: Trouble): string;
}

const ENGLISH: Labels = {
  lang: 'en',
  loading: 'Asking for the state…',
  status: ({ status, error }) => {
    if (status === 'queued') return 'Waiting in the queue';
    if (status === 'processing') return 'Transcribing';
    if (status === 'succeeded') return 'Transcribed';
    return error?.code === 'canceled' ? 'Cancelled' : `Failed: ${error?.message ?? 'no cause was told'}`;
  },
  progress: 'Progress of the transcription',
  timeLeft: (seconds) => `About ${duration('en', seconds)} left`,
  place: (place) => `Place in the queue: ${place}`,
  chunks: ({ chunksDone, chunksTotal }) =>
    `Chunks done: ${chunksDone}${chunksTotal === null ? '' : ` of ${chunksTotal}`}`,
  trouble: ({ code, message }) => {
    if (code === 'not_found') return 'There is no such transcription; it may have been deleted.';
    if (code === 'unauthorized') return 'Not signed in any more; sign in again.';
    if (code === 'stream_blocked') return 'Live updates do not get through here; looking every few seconds.';
    return code === 'disconnected' ? 'The connection broke; connecting again.' : message;
  },
};

const CHINESE: Labels = {
  lang: 'zh-CN',
  loading: '正在查询状态…',
  status: ({ status, error }) => {
    if (status === 'queued') return '排队中';
    if (status === 'processing') return '转录中';
    if (status === 'succeeded') return '转录完成';
    return error?.code === 'canceled' ? '已取消' : `转录失败：${error?.message ?? '原因不明'}`;
  },
  progress: '转录进度',
  timeLeft: (seconds) => `大约还需 ${duration('zh-CN', seconds)}`,
  place: (place) => `排位：第 ${place} 位`,
  chunks: ({ chunksDone, chunksTotal }) =>
    `已完成分块：${chunksDone}${chunksTotal === null ? '' : ` / ${chunksTotal}`}`,
  trouble: ({ code, message }) => {
    if (code === 'not_found') return '没有这个转录任务，可能已被删除。';
    if (code === 'unauthorized') return '登录已失效，请重新登录。';
    if (code === 'stream_blocked') return '这里收不到实时更新，改为每隔几秒查询一次。';
    if (code === 'unreachable') return '连不上服务器，正在重试。';
    if (code === 'token_unavailable') return '无法取得令牌，正在重试。';
    return code === 'disconnected' ? '连接断开，正在重连。' : message;
  },
};

/** The labels in a language like `zh-Hans-CN`; English for all that is not Chinese. */
export function labelsIn(language: string): Labels {
  return language.toLowerCase().startsWith('zh') ? CHINESE : ENGLISH;
}

function duration(language: string, seconds: number): string {
  const unit = (value: number, name: string) =>
    new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: 'long' }).format(value);
  if (seconds < 60) return unit(Math.max(1, Math.round(seconds)), 'second');
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return unit(minutes, 'minute');
  const rest = minutes % 60;
  return unit(Math.floor(minutes / 60), 'hour') + (rest ? ` ${unit(rest, 'minute')}` : '');
}
