"use strict";
const byId = (id) => document.getElementById(id);
const cell = (content, className) => {
  const td = document.createElement("td");
  if (content instanceof Node) td.append(content); else td.textContent = content ?? "";
  if (className) td.className = className;
  return td;
};
const rows = (id, list, make) => {
  byId(id).replaceChildren(...list.map((item) => {
    const tr = document.createElement("tr");
    tr.append(...make(item));
    return tr;
  }));
};
const count = (value) => Number(value ?? 0).toLocaleString("en");
const bar = (job) => {
  const span = document.createElement("span");
  const progress = document.createElement("progress");
  const done = job.processed_count + job.failed_count + job.cancelled_count;
  progress.max = job.total_documents || 1;
  progress.value = done;
  progress.setAttribute("aria-label", `${done} of ${job.total_documents} documents`);
  span.append(progress, ` ${count(done)}/${count(job.total_documents)}`);
  return span;
};
const show = (status) => {
  const now = Object.entries(status.now).flatMap(([name, value]) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    const group = document.createElement("div");
    term.textContent = name.replaceAll("_", " ");
    text.textContent = count(value);
    group.append(term, text);
    return [group];
  });
  byId("now").replaceChildren(...now);
  rows("jobs", status.jobs ?? [], (job) => [
    cell(job.job_id.slice(0, 8)), cell(job.user_id.slice(0, 8)),
    cell(job.status, job.status === "failed" ? "bad" : job.status === "completed" ? "good" : ""),
    cell(bar(job)), cell(count(job.pages_done), "n"), cell(count(job.chunks_done), "n"),
    cell(count(job.failed_count), job.failed_count ? "n bad" : "n")]);
  rows("tenants", status.tenants ?? [], (tenant) => [
    cell(tenant.user_id.slice(0, 8)), cell(count(tenant.total_documents), "n"),
    cell(count(tenant.pages), "n"), cell(count(tenant.total_vectors), "n"),
    cell(count(tenant.failed_documents), tenant.failed_documents ? "n bad" : "n")]);
  rows("failures", status.failures ?? [], (failure) => [
    cell(failure.error_code), cell(count(failure.document_count), "n"), cell(failure.remedy)]);
};
const look = async () => {
  try {
    const answer = await fetch("/status.json" + location.search);
    if (!answer.ok) throw new Error(`${answer.status}`);
    const status = await answer.json();
    show(status);
    byId("state").textContent = status.is_ready ? "ready" : "not ready";
    byId("state").className = status.is_ready ? "good" : "bad";
  } catch (error) {
    byId("state").textContent = `no answer (${error.message})`;
    byId("state").className = "bad";
  }
  setTimeout(look, 2000);
};
look();
