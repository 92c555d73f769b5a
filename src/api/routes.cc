// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A target becomes a decoded path, the path is held against the table of routes, then the method.
// The order of the checks is that of the original: a path that is not clean is redirected before
// anything is looked up, an unknown one is 404, a known one with another method 405, and "no
// PortDriver" comes before everything about the ports themselves.
#include "api/routes.h"

#include "api/codec.h"
#include "api/egress_codec.h"
#include "api/metrics.h"
#include "api/target.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <climits>
#include <optional>
#include <utility>

namespace rk::api {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

Response json_response(int status, std::string body) {
    Response response;
    response.status = status;
    response.content_type = kJson;
    response.body = std::move(body);
    return response;
}

Response not_found() {
    Response response;
    response.status = 404;
    response.content_type = kPlain;
    response.body = "404 page not found\n";
    response.headers = {{"X-Content-Type-Options", "nosniff"}};
    return response;
}

Response moved(const Target& target, const std::string& cleaned) {
    Response response;
    response.status = 301;
    const bool safe = target.query.find_first_of("\r\n") == std::string::npos;
    response.headers = {{"Location", percent_encode(cleaned) + (safe ? target.query : "")}};
    return response;
}

// ---- Ports ----

std::vector<PortStats> join_stats(const std::vector<model::PortCounters>& counters,
                                  const std::vector<model::PortStatus>& statuses) {
    std::vector<PortStats> joined;
    for (const model::PortCounters& one : counters) {
        const auto found =
            std::lower_bound(statuses.begin(), statuses.end(), one.id,
                             [](const model::PortStatus& s, int id) { return s.id < id; });
        const bool known = found != statuses.end() && found->id == one.id;
        joined.push_back({one, known ? fields_of(found->spec) : model::PortFields{}});
    }
    std::sort(joined.begin(), joined.end(),
              [](const PortStats& a, const PortStats& b) { return a.counters.id < b.counters.id; });
    return joined;
}

std::vector<model::PortStatus> sorted_ports(const drivers::PortDriver& ports) {
    std::vector<model::PortStatus> list = ports.list();
    std::sort(list.begin(), list.end(),
              [](const model::PortStatus& a, const model::PortStatus& b) { return a.id < b.id; });
    return list;
}

// Ports and network each where there are any.
Result<Stats> gather_stats(const Service& service) {
    Stats all;
    if (service.network_stats) {
        const NetworkStats network = TRY(service.network_stats());
        all.relay = network.relay;
        all.network = network.gateway;
    }
    if (service.ports != nullptr) {
        const drivers::PortDriverStats ports = TRY(service.ports->stats());
        all.relay = ports.health;
        all.ports = join_stats(ports.ports, sorted_ports(*service.ports));
    }
    return all;
}

bool counts_anything(const Service& service) {
    return service.ports != nullptr || service.network_stats;
}

Result<std::int64_t> parse_id(std::string_view text) {
    const bool negative = text.starts_with('-');
    std::string_view digits = text;
    if (negative || text.starts_with('+')) {
        digits.remove_prefix(1);
    }
    const auto number = parse_decimal(digits, INT64_MAX);
    if (!number) {
        const bool only_digits =
            !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
        return fail("bad id {}: strconv.Atoi: parsing {}: {}", text, quote(text),
                    only_digits ? "value out of range" : "invalid syntax");
    }
    const auto value = static_cast<std::int64_t>(*number);
    return negative ? -value : value;
}

Info current_info(const Service& service) {
    Info info = service.info;
    if (service.ports != nullptr) {
        info.port = service.ports->info();
    }
    if (service.network) {
        info.network = service.network();
    }
    if (service.helper) {
        info.helper = service.helper();
    }
    if (info.network && service.network_extra) {
        info.network->extra = service.network_extra();
    }
    return info;
}

// ---- Handlers ----

Response get_info(const Service& service) {
    return json_response(200, encode_info(current_info(service)));
}

Response get_ports(const Service& service) {
    return json_response(200, encode_statuses(sorted_ports(*service.ports)));
}

Response add_port(const Service& service, const Request& request) {
    auto fields = decode_spec(request.body);
    if (!fields) {
        return error_response(400, fields.error().message);
    }
    const auto spec = model::PortSpec::from_fields(*std::move(fields));
    if (!spec) {
        return error_response(400, spec.error().message);
    }
    const auto status = service.ports->add(*spec);
    return status ? json_response(201, encode_status(*status))
                  : error_response(400, status.error().message);
}

Response remove_port(const Service& service, std::string_view id_text) {
    const auto id = parse_id(id_text);
    if (!id) {
        return error_response(400, id.error().message);
    }
    if (*id < INT_MIN || *id > INT_MAX) {
        return error_response(400, fmt::format("unknown id: {}", *id));
    }
    const auto removed = service.ports->remove(static_cast<int>(*id));
    return removed ? Response{} : error_response(400, removed.error().message);
}

Response get_stats(const Service& service) {
    const auto stats = gather_stats(service);
    return stats ? json_response(200, encode_stats(*stats))
                 : error_response(500, stats.error().message);
}

Response get_metrics(const Service& service) {
    Response response;
    response.content_type = kMetricsType;
    if (!counts_anything(service)) {
        response.body = render_metrics(current_info(service), nullptr);
        return response;
    }
    const auto stats = gather_stats(service);
    if (!stats) {
        return error_response(500, stats.error().message);
    }
    response.body = render_metrics(current_info(service), &*stats);
    return response;
}

Response get_egress(const Service& service) {
    const auto rules = service.egress->list();
    return rules ? json_response(200, encode_egress_list(*rules))
                 : error_response(500, rules.error().message);
}

Response add_egress(const Service& service, const Request& request) {
    const auto rule = decode_egress_request(request.body);
    if (!rule) {
        return error_response(400, rule.error().message);
    }
    const auto added = service.egress->add(*rule);
    return added ? json_response(201, encode_egress(*added))
                 : error_response(400, added.error().message);
}

Response remove_egress(const Service& service, std::string_view id_text) {
    const auto id = parse_id(id_text);
    if (!id) {
        return error_response(400, id.error().message);
    }
    if (!std::in_range<std::uint32_t>(*id)) {
        return error_response(400, fmt::format("unknown id: {}", *id));
    }
    const auto removed = service.egress->remove(static_cast<std::uint32_t>(*id));
    return removed ? Response{} : error_response(400, removed.error().message);
}

// ---- The table ----

enum class Resource { kInfo, kPorts, kPort, kEgress, kEgressRule, kStats, kMetrics };
// Without what a resource is about, it answers 400.
enum class Needs { kNothing, kPorts, kEgress, kCounters };

struct Route {
    Resource resource;
    std::string_view path;     // ends in "/" where an ID follows
    std::string_view methods;  // as in Allow
    Needs needs;
};
constexpr std::array<Route, 7> kRoutes = {{
    {Resource::kInfo, "/v1/info", "GET", Needs::kNothing},
    {Resource::kPorts, "/v1/ports", "GET, POST", Needs::kPorts},
    {Resource::kPort, "/v1/ports/", "DELETE", Needs::kPorts},
    {Resource::kEgress, "/v1/egress", "GET, POST", Needs::kEgress},
    {Resource::kEgressRule, "/v1/egress/", "DELETE", Needs::kEgress},
    {Resource::kStats, "/v1/stats", "GET", Needs::kCounters},
    {Resource::kMetrics, "/metrics", "GET", Needs::kNothing},
}};

std::optional<Route> find_route(std::string_view path) {
    for (const Route& route : kRoutes) {
        const bool takes_id = route.path.ends_with('/');
        const bool has_id = takes_id && path.starts_with(route.path) &&
                            path.size() > route.path.size() &&
                            path.find('/', route.path.size()) == std::string_view::npos;
        if (has_id || (!takes_id && path == route.path)) {
            return route;
        }
    }
    return std::nullopt;
}

// What is missing, as the error's message; empty where nothing is.
std::string_view missing(Needs needs, const Service& service) {
    constexpr std::string_view kNoPorts = "no PortDriver is available";
    switch (needs) {
        case Needs::kNothing:
            return {};
        case Needs::kPorts:
            return service.ports == nullptr ? kNoPorts : "";
        case Needs::kCounters:
            return counts_anything(service) ? "" : kNoPorts;
        case Needs::kEgress:
            return service.egress == nullptr
                       ? "this network has no egress policy, only --net=builtin has one"
                       : "";
    }
    return {};
}

bool allows(const Route& route, std::string_view method) {
    return std::ranges::any_of(split(route.methods, ','),
                               [&](std::string_view allowed) { return trim(allowed) == method; });
}

Response dispatch(const Route& route, std::string_view path, const Request& request,
                  const Service& service) {
    switch (route.resource) {
        case Resource::kInfo:
            return get_info(service);
        case Resource::kPorts:
            return request.method == "POST" ? add_port(service, request) : get_ports(service);
        case Resource::kPort:
            return remove_port(service, path.substr(route.path.size()));
        case Resource::kEgress:
            return request.method == "POST" ? add_egress(service, request) : get_egress(service);
        case Resource::kEgressRule:
            return remove_egress(service, path.substr(route.path.size()));
        case Resource::kStats:
            return get_stats(service);
        case Resource::kMetrics:
            return get_metrics(service);
    }
    return not_found();
}

}  // namespace

Response error_response(int status, std::string_view message) {
    Response response;
    response.status = status;
    response.content_type = kPlain;
    response.body = encode_error(message);
    return response;
}

Response respond(const Request& request, const Service& service) {
    const auto target = parse_target(request.target);
    if (!target) {
        return error_response(400, "bad escape in the path");
    }
    if (const std::string cleaned = clean_path(target->path);
        target->path.starts_with('/') && cleaned != target->path) {
        return moved(*target, cleaned);
    }
    const auto route = find_route(target->path);
    if (!route) {
        return not_found();
    }
    if (!allows(*route, request.method)) {
        Response response;
        response.status = 405;
        response.headers = {{"Allow", std::string(route->methods)}};
        return response;
    }
    if (const std::string_view what = missing(route->needs, service); !what.empty()) {
        return error_response(400, what);
    }
    return dispatch(*route, target->path, request, service);
}

}  // namespace rk::api
