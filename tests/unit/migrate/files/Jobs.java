package org.example.jobs;

import java.util.concurrent.TimeUnit;
import org.springframework.scheduling.annotation.Scheduled;
import org.springframework.stereotype.Component;

@Component
public class Jobs {

    // @Scheduled(cron = "0 0 0 * * *")
    private static final String EVERY = "0 */10 * * * *";

    /** Every Friday the 13th: @Scheduled(cron = "no") */
    @Scheduled(cron = "0 0 0 13 * FRI", zone = "Europe/Oslo")
    public void fridayThe13th() {
        log.info("boo (");
    }

    @Scheduled(cron = "${jobs.report:0 30 2 1-7 * MON}")
    void report() throws IOException {
    }

    @Scheduled(cron = "${jobs.elsewhere}")
    void elsewhere() {}

    @Scheduled(cron = EVERY)
    void constant() {}

    @Scheduled(cron = "-")
    void off() {}

    @Scheduled(cron = "@daily")
    void daily() {}

    @Scheduled(cron = "0 0 9-17/2 L * ?")
    void lastDay() {}

    @Scheduled(fixedRate = 15, timeUnit = TimeUnit.MINUTES, initialDelay = 5)
    public void poll() {}

    @Scheduled(fixedRateString = "${poll.rate:PT1M30S}")
    public CompletableFuture<Map<String, Object>> pollIso() { return null; }

    @Scheduled(fixedDelay = 1_000L)
    public void afterwards() {}

    @Scheduled(fixedRate = 250)
    public void fast() {}
}
