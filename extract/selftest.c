#include "extract/selftest.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/pdf.h"

/* Two characters in a standard encoding of Chinese and no ToUnicode map: only poppler-data knows
 * what they are. No font is embedded, as text needs none. */
static const char MILL_PDF[] =
    "%PDF-1.4\n"
    "1 0 obj<</Type/Catalog/Pages 2 0 R>> endobj\n"
    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n"
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 "
    "0 R>>>>>> endobj\n"
    "4 0 obj<</Length 38>>stream\nBT /F 20 Tf 10 100 Td <C4A5B7BB> Tj ET\nendstream endobj\n"
    "5 0 obj<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/GBK-EUC-H/DescendantFonts[6 "
    "0 R]>> endobj\n"
    "6 0 "
    "obj<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/CIDSystemInfo<</Registry(Adobe)/"
    "Ordering(GB1)/Supplement 2>>/FontDescriptor 7 0 R/DW 1000>> endobj\n"
    "7 0 obj<</Type/FontDescriptor/FontName/STSong-Light/Flags 4/FontBBox[0 -200 1000 "
    "900]/ItalicAngle 0/Ascent 800/Descent -200/CapHeight 700/StemV 80>> endobj\n"
    "xref\n"
    "0 8\n"
    "0000000000 65535 f \n"
    "0000000009 00000 n \n"
    "0000000053 00000 n \n"
    "0000000103 00000 n \n"
    "0000000213 00000 n \n"
    "0000000297 00000 n \n"
    "0000000404 00000 n \n"
    "0000000566 00000 n \n"
    "trailer<</Root 1 0 R/Size 8>>\nstartxref\n722\n%%EOF\n";
static const struct text MILL_TEXT = {"\u78e8\u574a", 6};

/* On success *ret_kept stays open. */
static bool reads_mill(struct reader **ret_kept, struct error *err)
{
    uint32_t progress;
    struct reader_block block;
    struct reader *reader = pdf_open((struct text){MILL_PDF, sizeof(MILL_PDF) - 1}, err);
    if (!reader)
        return false;
    reader_block_init(&block, 1 << 16, &progress);
    reader_block_begin(&block, 1, reader->page_count);
    bool is_read = reader->read(reader, &block, err);
    reader_block_end(&block);
    if (is_read && !text_equal(block.pages[0].text, MILL_TEXT))
        is_read = error_set(err, ERR_SANDBOX,
                            "a Chinese PDF gives no text: the package poppler-data is missing");
    reader_block_release(&block);
    if (is_read)
        *ret_kept = reader;
    else
        reader->close(reader);
    return is_read;
}

bool selftest_warm_up(struct error *err)
{
    struct reader *kept_open;
    if (reads_mill(&kept_open, err))
        return true;
    err->code = ERR_SANDBOX;
    return error_wrap(err, "self-test");
}

bool selftest_rehearse(struct error *err)
{
    struct reader *reader;
    if (!reads_mill(&reader, err))
        return false;
    reader->close(reader);
    return true;
}

enum trial { TRIAL_READ, TRIAL_BREAK_OUT };

_Noreturn static void run_trial(const struct sandbox *sandbox, enum trial trial)
{
    struct error err;
    struct reader *reader;
    struct sandbox_limits limits = {.memory_bytes = 512u << 20, .cpu_seconds = 10};
    if (!sandbox_enter(sandbox, limits, 3, &err))
        _exit(2);
    if (trial == TRIAL_BREAK_OUT)
        _exit(socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 1 : 0);
    _exit(reads_mill(&reader, &err) ? 0 : 1);
}

static bool try_in_child(const struct sandbox *sandbox, enum trial trial, int *ret_status)
{
    pid_t pid = fork();
    if (pid == 0)
        run_trial(sandbox, trial);
    return pid > 0 && waitpid(pid, ret_status, 0) == pid;
}

bool selftest_sandbox(const struct sandbox *sandbox, struct error *err)
{
    int status;
    if (!try_in_child(sandbox, TRIAL_READ, &status))
        return error_set_errno(err, ERR_SANDBOX, errno, "self-test: no child can be made");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(err, ERR_SANDBOX,
                         "self-test: reading in the sandbox ended with status %#x",
                         (unsigned)status);
    if (!sandbox_has_filter(sandbox))
        return true;
    if (!try_in_child(sandbox, TRIAL_BREAK_OUT, &status))
        return error_set_errno(err, ERR_SANDBOX, errno, "self-test: no child can be made");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
        return error_set(err, ERR_SANDBOX, "self-test: seccomp let a socket be opened (status %#x)",
                         (unsigned)status);
    return true;
}
