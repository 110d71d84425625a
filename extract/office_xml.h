/*
 * office_xml.h - an XML member of a container as events with plain names.
 *
 * Names come without their namespaces: "t" of "w:t", as prefixes are the producer's choice and no two
 * elements of these formats differ by namespace alone where it matters.
 * Owns:   nothing. Thread: any, one at a time.
 */
#ifndef EXTRACT_OFFICE_XML_H
#define EXTRACT_OFFICE_XML_H

#include "extract/zip.h"

struct office_xml {
    void *arg;
    /* attributes: name, value, ..., NULL; names as above. */
    void (*on_start)(void *arg, const char *name, const char **attributes);
    void (*on_end)(void *arg, const char *name);
    void (*on_text)(void *arg, struct text text);
    bool (*is_enough)(void *arg); /* nothing more is wanted */
};

/* ERR_DAMAGED: no such member, or no XML; ERR_BOMB, ERR_PASSWORD: zip.h. */
bool office_xml_read(const struct zip *zip, struct text member_name, const struct office_xml *xml,
                     struct error *err) MUST_CHECK;
/* Of one attribute; TEXT_NONE: it is not there. */
struct text office_xml_attribute(const char **attributes, const char *name);

#endif
