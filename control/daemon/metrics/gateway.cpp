#include <algorithm>
#include <set>

#include "control/daemon/metrics/families.h"

namespace headgate::control::metrics {
namespace {

// Each is counted once: who acts on what is open misses nothing.
std::string_view standing(const Alarm& alarm) {
  if (alarm.maintenance) return "maintenance";
  if (alarm.cause != 0) return "consequence";
  return alarm.acknowledged ? "acknowledged" : "open";
}

void about_alarms(Page& page, const Scene& scene) {
  const std::vector<Alarm>& alarms = scene.view.alarms;
  auto counts = page.family<"headgate_alarms">();
  for (const auto severity : {catalogue::Severity::warning, catalogue::Severity::critical}) {
    for (const std::string_view state : {"open", "acknowledged", "consequence", "maintenance"}) {
      const auto count = std::count_if(alarms.begin(), alarms.end(), [&](const Alarm& alarm) {
        return alarm.severity == severity && standing(alarm) == state;
      });
      counts.sample(static_cast<std::uint64_t>(count), to_string(severity), state);
    }
  }
  std::set<std::pair<std::string_view, std::string_view>> active;
  for (const Alarm& alarm : alarms) {
    const catalogue::AlarmKind* kind = catalogue::find_alarm_kind(alarm.kind);
    if (kind == nullptr) continue;  // remembered by another version
    active.emplace(kind->id,
                   scene.has_channel(alarm.channel) ? std::string_view(alarm.channel) : std::string_view());
  }
  auto kinds = page.family<"headgate_alarm">();
  for (const auto& [kind, channel] : active) kinds.sample(std::uint64_t{1}, kind, channel);
}

// Of a map with alarms.webhook.
void about_webhook(Page& page, const std::optional<WebhookView>& webhook) {
  auto waiting = page.family<"headgate_webhook_waiting">();
  if (webhook) waiting.sample(std::uint64_t{webhook->waiting});
  auto messages = page.family<"headgate_webhook_messages_total">();
  if (!webhook) return;
  messages.sample(webhook->delivered, "delivered");
  messages.sample(webhook->failed, "failed");
  messages.sample(webhook->dropped, "dropped");
}

void about_processes(Page& page, const std::vector<ProcessView>& processes) {
  auto up = page.family<"headgate_process_up">();
  for (const ProcessView& entry : processes) up.sample(entry.answers, entry.process.name);
  auto deaths = page.family<"headgate_process_deaths_total">();
  for (const ProcessView& entry : processes)
    deaths.sample(std::uint64_t{entry.process.deaths}, entry.process.name);
  auto loop = page.family<"headgate_process_crash_loop">();
  for (const ProcessView& entry : processes) loop.sample(entry.process.crash_loop, entry.process.name);
  auto start = page.family<"headgate_process_start_timestamp_seconds">();
  for (const ProcessView& entry : processes) {
    if (entry.process.pid != 0)
      start.sample(seconds(static_cast<std::uint64_t>(entry.process.started_unix_ns)), entry.process.name);
  }
}

}  // namespace

void about_gateway(Page& page, const Scene& scene) {
  const GatewayView& view = scene.view;
  page.family<"headgate_build_info">().sample(std::uint64_t{1}, view.version, view.model->node.node);
  page.family<"headgate_map_differs">().sample(view.map_differs);
  page.family<"headgate_map_files_valid">().sample(view.files_valid);
  page.family<"headgate_ready">().sample(view.ready);
  about_alarms(page, scene);
  about_webhook(page, view.webhook);
  about_processes(page, view.processes);
}

}  // namespace headgate::control::metrics
