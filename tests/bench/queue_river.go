// River on the benchmark's database: queue_river DATABASE_URL JOBS noop|counted
// Its own bench's settings: many workers, short waits. Prints the seconds of queueing and of working.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	batch   = 5000
	counted = `with i as (update peer_items set outcome = 'success' where id = $1 and outcome is null returning job_id)
		update peer_jobs set processed = processed + 1 where id in (select job_id from i)`
)

type itemArgs struct {
	ID int `json:"id"`
}

func (itemArgs) Kind() string { return "item" }

type itemWorker struct {
	river.WorkerDefaults[itemArgs]
	pool     *pgxpool.Pool
	isNoop   bool
	left     atomic.Int64
	finished chan struct{}
}

func (w *itemWorker) Work(ctx context.Context, job *river.Job[itemArgs]) error {
	if !w.isNoop {
		if _, err := w.pool.Exec(ctx, counted, job.Args.ID); err != nil {
			return err
		}
	}
	if w.left.Add(-1) == 0 {
		close(w.finished)
	}
	return nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "queue_river:", err)
		os.Exit(1)
	}
}

func queue(ctx context.Context, client *river.Client[pgx.Tx], jobs int) {
	for at := 0; at < jobs; at += batch {
		params := []river.InsertManyParams{}
		for id := at; id < min(at+batch, jobs); id++ {
			params = append(params, river.InsertManyParams{Args: itemArgs{id}})
		}
		_, err := client.InsertManyFast(ctx, params)
		check(err)
	}
}

func main() {
	ctx := context.Background()
	jobs, err := strconv.Atoi(os.Args[2])
	check(err)
	config, err := pgxpool.ParseConfig(os.Args[1])
	check(err)
	config.MaxConns = 25
	pool, err := pgxpool.NewWithConfig(ctx, config)
	check(err)
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
	worker := &itemWorker{pool: pool, isNoop: os.Args[3] == "noop", finished: make(chan struct{})}
	worker.left.Store(int64(jobs))
	workers := river.NewWorkers()
	river.AddWorker(workers, worker)
	client, err := river.NewClient(driver, &river.Config{
		FetchCooldown:     2 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2000}},
		Workers:           workers,
	})
	check(err)
	start := time.Now()
	queue(ctx, client, jobs)
	queued := time.Since(start)
	start = time.Now()
	check(client.Start(ctx))
	<-worker.finished
	check(client.Stop(ctx)) // what is completed in batches is written now
	fmt.Printf("%.3f %.3f\n", queued.Seconds(), time.Since(start).Seconds())
}
