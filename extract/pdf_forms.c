#include "extract/pdf_forms.h"

#include <poppler.h>

#include "extract/clean.h"
#include "extract/pdf_private.h"

#define ITEMS_MAX 1000 /* looked at, for each page */
#define CHOICES_MAX 1000
#define ITEM_BYTES_MAX (8 << 10)
#define APPENDED_BYTES_MAX (64 << 10)
#define LABEL_BYTES_MAX 200
#define REPEATED_BYTES_MIN 8           /* a shorter value may stand anywhere by chance */
#define SEARCHED_BYTES_MAX (256 << 10) /* of the page, for a repetition */

struct collector {
    struct buffer *text; /* the page's */
    size_t page_bytes;   /* of it: the page's own */
    struct buffer item;  /* at hand, clean */
    size_t item_count;   /* looked at */
};

/* ---- paragraphs ------------------------------------------------------------------------------ */

static bool has_line(struct text text, struct text line)
{
    size_t at;
    for (struct text rest = text; text_find(rest, line, &at);
         rest = text_slice(rest, at + 1, rest.bytes)) {
        struct text after = text_slice(rest, at + line.bytes, rest.bytes);
        bool is_at_start = rest.start + at == text.start || rest.start[at - 1] == '\n';
        if (is_at_start && (after.bytes == 0 || after.start[0] == '\n'))
            return true;
    }
    return false;
}

static bool is_repeated(const struct collector *collector, struct text value)
{
    size_t at;
    struct text all = buffer_text(collector->text);
    struct text page = text_slice(all, 0, collector->page_bytes);
    struct text ours = text_slice(all, collector->page_bytes, all.bytes);
    return has_line(ours, buffer_text(&collector->item)) ||
           (value.bytes >= REPEATED_BYTES_MIN &&
            text_find(text_slice(page, 0, SEARCHED_BYTES_MAX), value, &at));
}

/* label and value are raw; the label may be NULL. */
static void add(struct collector *collector, const char *label, struct text value)
{
    struct buffer *item = &collector->item, *text = collector->text;
    struct clean_figures figures;
    buffer_clear(item);
    if (label && clean_line(text_from(label), LABEL_BYTES_MAX, item) && item->bytes)
        buffer_append_text(item, TEXT(": "));
    size_t value_at = item->bytes;
    if (!clean_text(text_utf8_prefix(value, ITEM_BYTES_MAX), item, &figures) ||
        item->bytes == value_at)
        return;
    struct text clean = text_slice(buffer_text(item), value_at, item->bytes);
    size_t gap = text->bytes ? 2 : 0;
    if (is_repeated(collector, clean) || item->bytes + gap > text->bytes_max - text->bytes ||
        text->bytes - collector->page_bytes + item->bytes > APPENDED_BYTES_MAX)
        return;
    buffer_append_text(text, text_slice(TEXT("\n\n"), 0, gap));
    buffer_append_text(text, buffer_text(item));
}

/* Takes the string. */
static void add_taken(struct collector *collector, const char *label, char *value)
{
    add(collector, label, text_from(value));
    g_free(value);
}

/* ---- forms ----------------------------------------------------------------------------------- */

static void add_choices(struct collector *collector, const char *label, PopplerFormField *field)
{
    int count = poppler_form_field_choice_get_n_items(field);
    if (poppler_form_field_choice_is_editable(field))
        add_taken(collector, label, poppler_form_field_choice_get_text(field));
    for (int i = 0; i < count && i < CHOICES_MAX; i++)
        if (poppler_form_field_choice_is_item_selected(field, i))
            add_taken(collector, label, poppler_form_field_choice_get_item(field, i));
}

static void add_field(struct collector *collector, PopplerFormField *field)
{
    char *label = poppler_form_field_get_alternate_ui_name(field);
    switch (poppler_form_field_get_field_type(field)) {
    case POPPLER_FORM_FIELD_TEXT:
        if (!poppler_form_field_text_is_password(field))
            add_taken(collector, label, poppler_form_field_text_get_text(field));
        break;
    case POPPLER_FORM_FIELD_CHOICE:
        add_choices(collector, label, field);
        break;
    case POPPLER_FORM_FIELD_BUTTON: /* that it is checked says something only with its label */
        if (label && poppler_form_field_button_get_button_type(field) != POPPLER_FORM_BUTTON_PUSH &&
            poppler_form_field_button_get_state(field))
            add(collector, label, TEXT("\u2713"));
        break;
    case POPPLER_FORM_FIELD_SIGNATURE:
    case POPPLER_FORM_FIELD_UNKNOWN:
        break;
    }
    g_free(label);
}

static void add_fields(struct collector *collector, PopplerPage *page)
{
    GList *fields = g_list_reverse(poppler_page_get_form_field_mapping(page)); /* as they stand */
    for (const GList *item = fields; item && collector->item_count < ITEMS_MAX; item = item->next) {
        collector->item_count++;
        add_field(collector, ((const PopplerFormFieldMapping *)item->data)->field);
    }
    poppler_page_free_form_field_mapping(fields);
}

/* ---- remarks --------------------------------------------------------------------------------- */

/* Links lead elsewhere, fields are read as such, a popup only shows what its parent says. */
static bool is_remark(PopplerAnnot *annotation)
{
    PopplerAnnotType type = poppler_annot_get_annot_type(annotation);
    bool is_seen = !(poppler_annot_get_flags(annotation) & POPPLER_ANNOT_FLAG_HIDDEN);
    return is_seen && type != POPPLER_ANNOT_LINK && type != POPPLER_ANNOT_WIDGET &&
           type != POPPLER_ANNOT_POPUP && type != POPPLER_ANNOT_UNKNOWN;
}

static void add_remarks(struct collector *collector, PopplerPage *page)
{
    GList *annotations = poppler_page_get_annot_mapping(page);
    for (const GList *item = annotations; item && collector->item_count < ITEMS_MAX;
         item = item->next) {
        PopplerAnnot *annotation = ((const PopplerAnnotMapping *)item->data)->annot;
        if (!is_remark(annotation))
            continue;
        collector->item_count++;
        add_taken(collector, NULL, poppler_annot_get_contents(annotation));
    }
    poppler_page_free_annot_mapping(annotations);
}

/* ---- public ---------------------------------------------------------------------------------- */

void pdf_forms_append(const struct reader *pdf, uint32_t page_number, struct buffer *text)
{
    PopplerPage *page = poppler_document_get_page(pdf_document(pdf), (int)page_number - 1);
    if (!page)
        return;
    struct collector collector = {.text = text,
                                  .page_bytes = text->bytes,
                                  .item = buffer_new(4 * ITEM_BYTES_MAX + LABEL_BYTES_MAX)};
    add_fields(&collector, page);
    add_remarks(&collector, page);
    buffer_release(&collector.item);
    g_object_unref(page);
}
