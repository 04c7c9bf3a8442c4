job('smoke-tests') {
    triggers {
        cron('@midnight')
    }
}
pipelineJob("weekly/report") {
    /* triggers { cron('@hourly') } */
    triggers {
        cron "0 6 * * 1"
        scm('H/5 * * * *')
    }
}
