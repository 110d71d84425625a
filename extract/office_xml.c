#include "extract/office_xml.h"

#include <expat.h>
#include <string.h>

#define SEPARATOR '\x1f'
#define DEPTH_MAX 4096 /* of elements; real documents stay below 100 */
#define ATTRIBUTES_MAX 64

struct reading {
    const struct office_xml *xml;
    XML_Parser parser;
    unsigned depth;
    bool is_refused, is_enough;
    const char *why;
};

static const char *plain(const char *name)
{
    const char *behind = strrchr(name, SEPARATOR);
    return behind ? behind + 1 : name;
}

static void refuse(struct reading *reading, const char *why)
{
    reading->is_refused = true;
    reading->why = why;
    XML_StopParser(reading->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = arg;
    const char *plain_attributes[2 * ATTRIBUTES_MAX + 1];
    size_t count = 0;
    if (++reading->depth > DEPTH_MAX) {
        refuse(reading, "elements nested too deep");
        return;
    }
    for (; attributes[count] && count < 2 * (size_t)ATTRIBUTES_MAX; count += 2) {
        plain_attributes[count] = plain(attributes[count]);
        plain_attributes[count + 1] = attributes[count + 1];
    }
    plain_attributes[count] = NULL;
    reading->xml->on_start(reading->xml->arg, plain(name), plain_attributes);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reading *reading = arg;
    reading->depth--;
    reading->xml->on_end(reading->xml->arg, plain(name));
}

static void on_text(void *arg, const XML_Char *text, int bytes)
{
    struct reading *reading = arg;
    reading->xml->on_text(reading->xml->arg, (struct text){text, (size_t)bytes});
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_subset)
{
    (void)name, (void)system_id, (void)public_id, (void)has_subset;
    refuse(arg, "a document type: these formats have none, and entities could only do harm");
}

static bool take(void *arg, struct text piece)
{
    struct reading *reading = arg;
    while (piece.bytes && !reading->is_refused && !reading->is_enough) {
        struct text some = text_slice(piece, 0, INT32_MAX);
        piece = text_slice(piece, some.bytes, piece.bytes);
        if (XML_Parse(reading->parser, some.start, (int)some.bytes, XML_FALSE) != XML_STATUS_OK &&
            !reading->is_refused)
            refuse(reading, XML_ErrorString(XML_GetErrorCode(reading->parser)));
        reading->is_enough = reading->xml->is_enough(reading->xml->arg);
    }
    return !reading->is_refused && !reading->is_enough;
}

static bool parse(struct reading *reading, const struct zip_member *member, struct error *err)
{
    XML_SetUserData(reading->parser, reading);
    XML_SetElementHandler(reading->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reading->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading->parser, on_doctype);
    if (!zip_read(member, take, reading, err))
        return false;
    if (!reading->is_refused && !reading->is_enough &&
        XML_Parse(reading->parser, "", 0, XML_TRUE) != XML_STATUS_OK)
        refuse(reading, XML_ErrorString(XML_GetErrorCode(reading->parser)));
    return !reading->is_refused || error_set(err, ERR_DAMAGED, "XML: %s", reading->why);
}

bool office_xml_read(const struct zip *zip, struct text member_name, const struct office_xml *xml,
                     struct error *err)
{
    struct zip_member member;
    struct reading reading = {.xml = xml};
    if (!zip_find(zip, member_name, &member))
        return error_set(err, ERR_DAMAGED, "the container has no %.*s", TEXT_ARGS(member_name));
    /* Without a salt expat asks the kernel for one. */
    reading.parser = XML_ParserCreateNS(NULL, SEPARATOR);
    if (!reading.parser)
        return error_set(err, ERR_EXTRACT_MEMORY, "no XML parser");
    bool is_read = parse(&reading, &member, err);
    XML_ParserFree(reading.parser);
    return is_read || error_wrap(err, "%.*s", TEXT_ARGS(member_name));
}

struct text office_xml_attribute(const char **attributes, const char *name)
{
    for (; attributes[0]; attributes += 2)
        if (strcmp(attributes[0], name) == 0)
            return text_from(attributes[1]);
    return TEXT_NONE;
}
