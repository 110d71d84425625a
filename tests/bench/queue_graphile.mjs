// graphile-worker on the benchmark's database: node queue_graphile.mjs MODULE DATABASE_URL JOBS noop|counted
// MODULE: the package's folder. Tuned as its page on performance says. Prints the seconds of queueing and of working.
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

const [folder, connectionString, count, kind] = process.argv.slice(2);
const require = createRequire(pathToFileURL(folder + '/package.json'));
const { run, makeWorkerUtils } = require(folder);
const { Logger } = require('@graphile/logger');

const jobs = Number(count), batch = 1000;
const quiet = new Logger(() => (level, message) => level === 'error' && console.error(message));
const seconds = (from) => (performance.now() - from) / 1000;
const preset = {
  worker: {
    connectionString, concurrentJobs: 24, maxPoolSize: 25, pollInterval: 100,
    localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0,
  },
};
const COUNTED = `with i as (update peer_items set outcome = 'success' where id = $1 and outcome is null returning job_id)
  update peer_jobs set processed = processed + 1 where id in (select job_id from i)`;

const utils = await makeWorkerUtils({ connectionString, logger: quiet });
await utils.migrate();
let start = performance.now();
for (let at = 0; at < jobs; at += batch) {
  const specs = [];
  for (let id = at; id < Math.min(at + batch, jobs); id++) specs.push({ identifier: kind, payload: { id } });
  await utils.addJobs(specs);
}
const queued = seconds(start);
let left = jobs, finish;
const finished = new Promise((resolve) => { finish = resolve; });
const ended = () => { if (--left === 0) finish(); };
const taskList = {
  noop: async () => ended(),
  counted: async ({ id }, helpers) => {
    await helpers.withPgClient((client) => client.query({ name: 'counted', text: COUNTED, values: [id] }));
    ended();
  },
};
start = performance.now();
const runner = await run({ preset, taskList, logger: quiet, noHandleSignals: true });
await finished;
await runner.stop(); // what is completed in batches is written now
console.log(queued.toFixed(3), seconds(start).toFixed(3));
await utils.release();
