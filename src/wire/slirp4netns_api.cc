// SPDX-License-Identifier: Apache-2.0
//
// The JSON library's tree is built here from what another program says: at most
// kMaxSlirp4netnsReply bytes of it, and the parser does not recurse.
#include "wire/slirp4netns_api.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <utility>

namespace rk::wire {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

tl::unexpected<Error> malformed(const char* why) {
    return fail(Error{why, EPROTO});
}

std::string request(std::string_view execute, Json arguments) {
    Json object = Json::object();
    object["execute"] = std::string(execute);
    object["arguments"] = std::move(arguments);
    return dump(object) + "\n";
}

// As Go prints a map (fmt, %v), which is how clients know these errors; it sorts the keys.
std::string go_map(const Json& object) {
    const nlohmann::json sorted = object;
    std::string text;
    for (const auto& [key, value] : sorted.items()) {
        text += text.empty() ? "" : " ";
        text += key + ":" + (value.is_string() ? value.get<std::string>() : dump(Json(value)));
    }
    return "map[" + text + "]";
}

// The reply where it is no error.
Result<Json> answer(std::string_view reply) {
    if (reply.size() > kMaxSlirp4netnsReply) {
        return malformed("slirp4netns: the reply is too long");
    }
    Json object = Json::parse(reply, nullptr, false);
    if (!object.is_object()) {
        return malformed("slirp4netns: the reply is no JSON object");
    }
    if (const auto error = object.find("error"); error != object.end()) {
        return fail("reply.Error: {}", error->is_object() ? go_map(*error) : dump(*error));
    }
    return object;
}

// What is under "return".
Result<Json> returned(std::string_view reply) {
    const Json object = TRY(answer(reply));
    const auto found = object.find("return");
    if (found == object.end() || !found->is_object()) {
        return malformed("slirp4netns: the reply has neither a result nor an error");
    }
    return *found;
}

Result<std::int64_t> id_in(const Json& object) {
    const auto id = object.find("id");
    if (id == object.end() || !id->is_number_integer() ||
        (id->is_number_unsigned() && !std::in_range<std::int64_t>(id->get<std::uint64_t>()))) {
        return malformed("slirp4netns: the reply has no id");
    }
    return id->get<std::int64_t>();
}

}  // namespace

std::string encode_add_hostfwd(const HostForward& forward) {
    Json arguments = Json::object();
    arguments["proto"] = forward.proto;
    arguments["host_addr"] = forward.host_addr;
    arguments["host_port"] = forward.host_port;
    arguments["guest_addr"] = forward.guest_addr;
    arguments["guest_port"] = forward.guest_port;
    return request("add_hostfwd", std::move(arguments));
}

std::string encode_remove_hostfwd(std::int64_t id) {
    Json arguments = Json::object();
    arguments["id"] = id;
    return request("remove_hostfwd", std::move(arguments));
}

std::string encode_list_hostfwd() {
    return request("list_hostfwd", Json::object());
}

Result<std::int64_t> decode_add_hostfwd_reply(std::string_view reply) {
    const Json result = TRY(returned(reply));
    return id_in(result);
}

Result<std::vector<std::int64_t>> decode_list_hostfwd_reply(std::string_view reply) {
    const Json object = TRY(answer(reply));
    const auto entries = object.find("entries");  // not under "return", unlike the others
    if (entries == object.end() || !entries->is_array()) {
        return malformed("slirp4netns: the reply has no entries");
    }
    std::vector<std::int64_t> ids;
    for (const Json& entry : *entries) {
        ids.push_back(TRY(entry.is_object() ? id_in(entry) : malformed("slirp4netns: no object")));
    }
    return ids;
}

Result<void> decode_remove_hostfwd_reply(std::string_view reply) {
    TRY(returned(reply));
    return {};
}

}  // namespace rk::wire
