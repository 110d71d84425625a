/*
 * web.h - the files of worker/web, as they were when this program was built.
 */
#ifndef WORKER_WEB_H
#define WORKER_WEB_H

#include "worker/base/text.h"

extern const struct text WEB_PAGE_HTML, WEB_PAGE_CSS, WEB_PAGE_JS;

#endif
